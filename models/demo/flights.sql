{{ config(materialized='table') }}

select
  make_timestamp(year, month, day, 0, 0, 0)
  + to_minutes(60 * (sched_dep_time // 100) + sched_dep_time % 100) as sched_dep_at,
  make_date(year, month, day) as flight_date,
  carrier,
  flight,
  tailnum,
  origin,
  dest,
  dep_time,
  dep_delay,
  arr_delay,
  air_time,
  distance,
  time_hour
from {{ source('nycflights13', 'flights') }}
