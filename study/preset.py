"""Writes a preset's values into the study's params: ``python -m study.preset NAME``."""

from pipeline.preset import main
from study import settings

if __name__ == "__main__":
    main(settings.PRESETS, settings.PARAMS, settings.StudyParams)
