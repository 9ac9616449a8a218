"""The demo: a real lab, a real Airflow, one migration from the first row to the cutover."""
