"""What crosses the border of the service: callers, requests and answers of the REST API.

Records of the ledger (`Run`, `Task`, `Definition` …) travel as they are; here stands what only the
service has. The server, the remote client and the command line share these types.
"""
