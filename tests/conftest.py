"""What all tests share: no time limit for one example of a property, because machines stall."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
