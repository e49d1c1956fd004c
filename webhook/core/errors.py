"""The three exceptions of Drawbridge; a denial is a value, never one of these, and anything else is a bug."""


class BadReviewError(Exception):
    """The request is not an AdmissionReview that can be read; the server answers HTTP 400."""


class ClusterUnavailableError(Exception):
    """The cluster's state cannot be had or written now; the server answers HTTP 503 with Retry-After."""


class SettingsError(Exception):
    """Drawbridge was started wrongly; holds every problem found, so that one round mends them all."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
