"""Fitting by least squares: what is asked for (`tables`), how it is searched (`search`), what data say of it (`identify`,
`theil`), and how it is shown (`report`, `chart`). `flowreform.analyse.fitting.estimate` puts them together."""
