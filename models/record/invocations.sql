{{ config(materialized='view', enabled=vigil._flag('vigil_record', true)) }}

{{ vigil.invocations_sql(vigil._readable(source('vigil', 'vigil_invocation_log'))) }}
