# Read by bash and by make. No tool of this project reports its use to anyone (for DVC see .dvc/config).
export DO_NOT_TRACK=true
export HF_HUB_DISABLE_TELEMETRY=1
export MLFLOW_DISABLE_TELEMETRY=true
export PREFECT_SERVER_ANALYTICS_ENABLED=false
# Empty is off: without kept bytecode every start compiles PyTorch's and MLflow's sources anew, which takes seconds.
export PYTHONDONTWRITEBYTECODE=
# On a slow machine Prefect's own, passing server takes longer than the 20 s that it is given.
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=120
