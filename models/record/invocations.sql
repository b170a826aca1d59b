{{ config(materialized='view') }}

{{ vigil._invocations(source('vigil', 'vigil_invocation_log')) }}
