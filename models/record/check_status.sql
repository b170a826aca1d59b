{{ config(materialized='view', enabled=vigil._flag('vigil_record', true)) }}

{{ vigil.check_status_sql(ref('check_runs'), ref('check_registry'), vigil.utc_now()) }}
