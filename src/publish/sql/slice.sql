visitor >= toFixedString(unhex({from:String}), 16) AND visitor <= toFixedString(unhex({to:String}), 16)
