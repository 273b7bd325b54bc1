# Measures this node once, in one line of counters as the kernel has them; who reads them takes differences. Standard input: how
# long a look at GPUs may take in seconds, a command that looks at them in the place of ours, and the spool whose jobs are ours.
# No arithmetic here.
exec 2>/dev/null
IFS= read -r patience || exit 0
IFS= read -r plugin || plugin=
IFS= read -r root || root=
printf '\nOSTLER-DATA 1\n'

limited() {
	if command -v timeout >/dev/null; then timeout -k 1 "$patience" "$@"; else "$@"; fi
}

# index,busy %,MiB used,MiB there,W,uuid,name; parted by semicolons.
gpus() {
	if [ -n "$plugin" ]; then
		limited sh -c "$plugin"
	elif command -v nvidia-smi >/dev/null; then
		limited nvidia-smi --query-gpu=index,utilization.gpu,memory.used,memory.total,power.draw,uuid,name --format=csv,noheader,nounits
	elif command -v rocm-smi >/dev/null; then
		limited rocm-smi --showuse --showmeminfo vram --showpower --showproductname --json
	fi | tr '\n' ';' | head -c 8192
}

# pid,uuid,name of what computes on GPUs and is not of a job of this spool; parted by semicolons. What is not seen here, or is over
# by now, is nobody's.
strangers() {
	[ -z "$plugin" ] && command -v nvidia-smi >/dev/null || return
	limited nvidia-smi --query-compute-apps=pid,gpu_uuid,process_name --format=csv,noheader | while IFS=', ' read -r pid uuid name; do
		case $pid in '' | *[!0-9]*) continue ;; esac
		[ -d "/proc/$pid" ] || continue
		grep -qaF ":$root:" "/proc/$pid/environ" || printf '%s,%s,%s;' "$pid" "$uuid" "$name"
	done | tr -d '|\n' | head -c 4096
}

# How many terminals were typed in within five minutes. Nothing where that cannot be told.
terminals() {
	[ -d /dev/pts ] && find /dev/pts -name '[0-9]*' -amin -5 | grep -c .
}

measure() {
	gpus=$(gpus)
	strangers=$(strangers)
	terminals=$(terminals)
	read -r _ cpu < /proc/stat
	memory=$(sed -n 's/^MemTotal: *//p; s/^MemAvailable: *//p' /proc/meminfo | tr -d 'kB \t' | tr '\n' ' ')
	disk=$(df -kP / | sed -n 2p | tr -s ' ' | cut -d ' ' -f 2,3)
	# Whole disks only: what lies on a disk has its name and a number behind it.
	io=$(while read -r _ minor name _ _ in _ _ _ out _; do
		case $name in loop* | ram* | dm-* | md* | sr* | zram*) ;; nvme*p* | mmcblk*p*) ;; nvme* | mmcblk*) echo "$in $out" ;; *[0-9]) ;; *) echo "$in $out" ;; esac
	done < /proc/diskstats | tr '\n' ',')
	net=$(sed -n 's/^ *\([^:]*\): */\1 /p' /proc/net/dev | while read -r name in _ _ _ _ _ _ _ out _; do
		[ "$name" = lo ] || echo "$in $out"
	done | tr '\n' ',')
	# The clock last: it is compared when this line comes in.
	printf '%s|%s|%s|%s|%s|%s|%s|%s|%s\n' "$(date +%s)" "$cpu" "$memory" "$disk" "$io" "$net" "$terminals" "$strangers" "$gpus"
}

measure
