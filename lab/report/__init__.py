"""The results folder as one page: what lies there, in whatever state, for a browser and without
any network.
"""
# ruff: noqa: F401

from lab.report.page import write_report
