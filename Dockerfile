# Airflow alone ("slim"): everything else comes from requirements.txt, in the versions that the tests run with.
FROM apache/airflow:slim-3.3.2-python3.11

COPY requirements.txt /tmp/requirements.txt
# The lab and the tools of the house stay outside.
RUN sed '/^# the lab/,$d' /tmp/requirements.txt > /tmp/runtime.txt \
 && pip install --no-cache-dir -r /tmp/runtime.txt

COPY --chown=airflow:0 pyproject.toml README.md LICENSE /opt/airflow/
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 dags /opt/airflow/dags
# Editable, so that the folders that docker-compose.yaml mounts over these are what runs. The two folders become volumes.
RUN pip install --no-cache-dir --no-deps -e /opt/airflow \
 && mkdir -p /opt/airflow/auth /opt/airflow/lakeward
