{{ config(materialized='view', enabled=vigil._flag('vigil_record', true)) }}

{{ vigil.check_registry_sql(vigil._readable(source('vigil', 'vigil_registry_log'))) }}
