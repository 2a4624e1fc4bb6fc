"""The report as one self-contained page."""

from overflight_ground.audit.html.page import to_html

__all__ = ["to_html"]
