{{ config(materialized='view') }}

{{ vigil.check_status_sql(ref('check_runs'), ref('check_registry'), vigil.utc_now()) }}
