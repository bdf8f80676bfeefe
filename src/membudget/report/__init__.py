"""What people see: the report model and its renderings. No I/O."""
