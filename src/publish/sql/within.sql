site = {site:String} AND day BETWEEN {first_day:Date} - 6 AND {last_day:Date}
    AND window_end > toDateTime({start:UInt32}, 'UTC') AND window_end <= toDateTime({end:UInt32}, 'UTC')
