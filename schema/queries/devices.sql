-- Which devices and operating systems do visitors use?
SELECT device, os, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM devices
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY device, os
ORDER BY visitors DESC
LIMIT 50
