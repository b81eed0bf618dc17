from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks._flows.base import WIDTH, Counted


@workflow.defn
class Wide(Counted):
    count = WIDTH
    fan = True


@workflow.defn
class WideLocal(Counted):
    count = WIDTH
    fan = True
    local = True
