{{ config(materialized='view', enabled=vigil._flag('vigil_record', true)) }}

{{ vigil.check_runs_sql(vigil._readable(source('vigil', 'vigil_check_log'))) }}
