"""The audit: proves, with numbers and evidence, what left the device and what stayed on board."""

from overflight_ground.audit.inputs import AuditInputs
from overflight_ground.audit.report import AuditReport, Verdict
from overflight_ground.audit.run import run_audit

__all__ = ["AuditInputs", "AuditReport", "Verdict", "run_audit"]
