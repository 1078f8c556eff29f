//! Jinja2-compatible rendering and contextualisation.
