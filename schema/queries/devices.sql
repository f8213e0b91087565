-- Which devices and operating systems do visitors use?
SELECT device, os, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM devices
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY device, os
ORDER BY visitors DESC
LIMIT 50
