"""Spark as it is in production: a standalone cluster, and Thrift Servers with tables in Delta and in Iceberg."""
