"""Whether growth needs a figure of the base, or why it does not."""

from membudget.judge.measurement import FailureStage, ImageMeasurement, Presence


def growth_excuse(image: ImageMeasurement) -> str | None:
    """Why growth need not be judged where the base has no figure; None where it must be.

    A base that does not build or work is no excuse: whoever repairs it, or is approved, goes on from there.
    """
    match image.presence:
        case Presence.NEW:
            return "the image is new"
        case Presence.HEAD_ONLY:
            return "there is no base revision"
        case _ if image.base_waived and base_is_broken(image):
            return "its base could not be measured, and that was approved"
        case _ if image.lacks_old_way:
            return "the head does not run with the base's settings any more, and the change was approved or merged"
        case _:
            return None


def base_is_broken(image: ImageMeasurement) -> bool:
    """Whether the base has no figures for a reason of its own, not of our environment's."""
    failure = image.base.failure if image.base is not None else None
    return failure is not None and failure.stage is not FailureStage.ENVIRONMENT
