from datetime import UTC, datetime, timedelta

from pipeline.flows.monitor import why_not

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_drift_starts_a_training_once_a_cool_down_and_so_often_a_week():
    assert why_not([], NOW, DAY, 3) is None
    assert "cool-down" in (why_not([NOW - DAY / 2], NOW, DAY, 3) or "")
    assert why_not([NOW - 2 * DAY, NOW - 4 * DAY], NOW, DAY, 3) is None
    assert "3 began" in (why_not([NOW - 2 * DAY, NOW - 4 * DAY, NOW - 6 * DAY], NOW, DAY, 3) or "")
    assert why_not([NOW - 2 * DAY, NOW - 4 * DAY, NOW - 8 * DAY], NOW, DAY, 3) is None


def test_no_training_may_start_where_none_is_allowed():
    assert why_not([], NOW, DAY, 0) is not None
