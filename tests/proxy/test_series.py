"""Histograms as Prometheus reads them, of values that are put in many at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from router.proxy.series import Family, Series, text_of

BOUNDS = (0.1, 0.25, 1.0)
FAMILY = Family(name="took_seconds", what="Time.", kind="histogram", labels=("path",), bounds=BOUNDS)
VALUES = st.sampled_from((*BOUNDS, 0.0)) | st.floats(0.0, 2.0)


@given(batches=st.lists(st.lists(VALUES, max_size=6), max_size=4))
def test_a_bucket_holds_what_is_not_above_its_bound(batches: list[list[float]]) -> None:
    series = Series([FAMILY])
    for batch in batches:
        series.observe(FAMILY, ("/",), iter(batch))
    values = [value for batch in batches for value in batch]
    (found,) = text_string_to_metric_families(text_of([FAMILY], [series.encoded()]).decode())
    told = {(sample.name, sample.labels.get("le")): sample.value for sample in found.samples}
    expected = {("took_seconds_bucket", repr(bound)): sum(value <= bound for value in values) for bound in BOUNDS}
    expected[("took_seconds_bucket", "+Inf")] = expected[("took_seconds_count", None)] = len(values)
    total = told.pop(("took_seconds_sum", None), 0.0)
    assert told == (expected if values else {})
    assert abs(total - sum(values)) < 1e-9
