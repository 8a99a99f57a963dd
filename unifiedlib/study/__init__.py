"""The user study: side-by-side judgements of two result lists, by people in JupyterLab or by simulated raters.

`design` draws a study, `document` keeps it, `session` and `judge` show it, `log` saves answers, `judgements` unblinds them,
`preference`, `agreement` and `consistency` analyse them; `simulation` and `simulated_study` do the same without people.
"""
