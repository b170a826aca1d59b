{{ config(materialized='table') }}

select
  tailnum,
  year as built_year,
  type as plane_type,
  manufacturer,
  model,
  engines,
  seats,
  engine
from {{ source('nycflights13', 'planes') }}
