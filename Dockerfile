# syntax=docker/dockerfile:1
# API, workers and every other command in one image: `docker run … flowkeep <noun> <verb>`.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.8
ARG EXTRAS=api,cli,definitions,extraction,logs,mysql,otel,remote,storage
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
RUN pip install --disable-pip-version-check --root-user-action=ignore "uv==${UV_VERSION}"
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY flowkeep ./flowkeep
# Versions and hashes are those of the lock file; what only development needs stays out.
RUN uv venv /opt/flowkeep \
    && uv pip install --python /opt/flowkeep/bin/python --verify-hashes \
        --constraints requirements.lock ".[${EXTRAS}]"

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="flowkeep" \
    org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 flowkeep \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data flowkeep \
    && install --directory --owner=10001 --group=10001 /data /data/storage /work
COPY --from=build /opt/flowkeep /opt/flowkeep
ENV PATH=/opt/flowkeep/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FLOWKEEP_LOG_FORMAT=json \
    FLOWKEEP_API_HOST=0.0.0.0 \
    FLOWKEEP_STORAGE_URL=file:///data/storage
# Modules with workflows of one's own are imported from here.
WORKDIR /work
USER 10001:10001
EXPOSE 8800
STOPSIGNAL SIGTERM
ENTRYPOINT ["flowkeep"]
CMD ["api"]
