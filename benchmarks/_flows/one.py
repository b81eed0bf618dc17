from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks._flows.base import Counted


@workflow.defn
class One(Counted):
    pass


@workflow.defn
class OneLocal(Counted):
    local = True
