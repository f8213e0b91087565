site = {site:String} AND day BETWEEN {first_day:Date} AND {last_day:Date}
    AND hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC')
