"""The engine: plays a scenario, records its history, judges it from the history alone.

Standard library only. It knows no Kubernetes object, only the events of `events`.
"""
