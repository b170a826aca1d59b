{{ config(materialized='table') }}

select
  origin,
  time_hour,
  temp,
  dewp,
  humid,
  wind_dir,
  wind_speed,
  wind_gust,
  precip,
  pressure,
  visib
from {{ source('nycflights13', 'weather') }}
