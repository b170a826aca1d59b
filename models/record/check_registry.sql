{{ config(materialized='view') }}

{{ vigil._check_registry(source('vigil', 'vigil_registry_log')) }}
