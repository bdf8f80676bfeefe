"""What was seen of an image in production, for tests."""

from membudget.core.metrics import Metric
from membudget.judge.production import Production, ProductionUse, Scrapes


def production(
    rss: int | None = None, working_set: int | None = None, mark: int | None = None, **more: object
) -> Production:
    """Two pods, sampled every 30 s for 14 days, with peaks of so many bytes."""
    peaks = {Metric.PEAK_RSS: rss, Metric.PEAK_WORKING_SET: working_set, Metric.PEAK_MEMORY: mark}
    usual: dict[str, object] = {
        "selector": '{container="api"}',
        "days": 14,
        "used": {
            metric: ProductionUse(peak, peak * 9 // 10, peak) for metric, peak in peaks.items() if peak is not None
        },
        "pods": 2,
        "containers": 3,
        "samples": 80_640,
        "scrapes": Scrapes(30, 14 * 86_400, 0),
        "oom_kills": 0,
        "oom_killed": None,
        "restarts": 0,
    }
    return Production(**{**usual, **more})  # type: ignore[arg-type]
