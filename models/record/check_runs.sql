{{ config(materialized='view') }}

{{ vigil._check_runs(source('vigil', 'vigil_check_log')) }}
