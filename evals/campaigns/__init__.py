"""Measurements that need material of their own: fetched by an explicit command, run by another."""
