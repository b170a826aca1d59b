select order_id, total_usd, status, placed_at, note
from {{ ref('raw_order_events') }}
