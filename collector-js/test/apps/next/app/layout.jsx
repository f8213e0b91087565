import Script from "next/script";
import { Shop } from "./shop.jsx";

export const metadata = { title: "Shop" };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>
        <Script src="https://t.shop.test/tamga.js" data-site="shop.localhost" strategy="afterInteractive" />
        <Shop />
        {children}
      </body>
    </html>
  );
}
