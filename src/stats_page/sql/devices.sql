-- On which devices and operating systems do visitors come?
SELECT device, os, sum(visitors) AS visitors, sum(visits) AS visits
FROM devices
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY device, os
ORDER BY visitors DESC
LIMIT 1000
