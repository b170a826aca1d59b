select concat('N', cast(i as {{ dbt.type_string() }})) as tailnum
from range(45) as r(i)
