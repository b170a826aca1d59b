{{ config(materialized='view') }}

{{ vigil.invocations_sql(source('vigil', 'vigil_invocation_log')) }}
