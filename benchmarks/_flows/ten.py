from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks._flows.base import Counted


@workflow.defn
class Ten(Counted):
    count = 10


@workflow.defn
class TenLocal(Counted):
    count = 10
    local = True
