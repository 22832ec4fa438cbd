"""Tables as compact modules, written by `generate`: SOP classes, transfer syntaxes, names of UIDs."""
