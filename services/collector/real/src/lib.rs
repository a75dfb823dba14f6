//! Tests of the collector with real servers beside it that are ferrometer's own: a program that a Prometheus scrapes, and an archive.
