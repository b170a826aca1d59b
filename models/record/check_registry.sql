{{ config(materialized='view') }}

{{ vigil.check_registry_sql(source('vigil', 'vigil_registry_log')) }}
