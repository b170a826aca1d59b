{{ config(materialized='view') }}

{{ vigil._check_status(ref('check_runs'), ref('check_registry'), vigil.utc_now()) }}
