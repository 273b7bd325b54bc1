//! One tree for JSON, YAML and TOML, in which every value knows its place.
