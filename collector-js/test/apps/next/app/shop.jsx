"use client";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useEffect } from "react";
import { FILTERS, LINKS } from "../routes.mjs";

export function Shop() {
  const router = useRouter();
  useEffect(() => {
    document.documentElement.dataset.ready = "";
  }, []);
  return (
    <nav>
      {Object.entries(LINKS).map(([id, to]) => (
        <Link key={id} id={id} href={to}>
          {id}
        </Link>
      ))}
      {FILTERS.map((filter, at) => (
        <button
          key={filter}
          type="button"
          id={`filter${at}`}
          onClick={() => router.replace(`/catalog${filter}`)}
        >
          {filter}
        </button>
      ))}
      <Link id="anchor" href="#details">
        details
      </Link>
      <a id="out" href="https://elsewhere.test/">
        out
      </a>
    </nav>
  );
}
