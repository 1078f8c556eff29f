//! Health checks: ping, ports, URLs, MySQL.
