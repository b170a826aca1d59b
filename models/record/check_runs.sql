{{ config(materialized='view') }}

{{ vigil.check_runs_sql(source('vigil', 'vigil_check_log')) }}
