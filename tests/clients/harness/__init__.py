"""What the client tests share: the broker under test, the toolchains, expectations and the report.

Standard library only, so that the runners start on any machine that has Python 3.9 or later. Nothing here knows a
particular client or suite.
"""
