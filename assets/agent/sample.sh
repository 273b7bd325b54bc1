# Measures this node once, in one line of counters as the kernel has them; who reads them takes differences. Standard input: how
# long a look at GPUs may take in seconds, and a command that looks at them in the place of ours. No arithmetic here.
exec 2>/dev/null
IFS= read -r patience || exit 0
IFS= read -r plugin || plugin=
printf '\nOSTLER-DATA 1\n'

limited() {
	if command -v timeout >/dev/null; then timeout -k 1 "$patience" "$@"; else "$@"; fi
}

# index,busy %,MiB used,MiB there,W,name; parted by semicolons.
gpus() {
	if [ -n "$plugin" ]; then
		limited sh -c "$plugin"
	elif command -v nvidia-smi >/dev/null; then
		limited nvidia-smi --query-gpu=index,utilization.gpu,memory.used,memory.total,power.draw,name --format=csv,noheader,nounits
	elif command -v rocm-smi >/dev/null; then
		limited rocm-smi --showuse --showmeminfo vram --showpower --showproductname --json
	fi | tr '\n' ';' | head -c 8192
}

measure() {
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
	printf '%s|%s|%s|%s|%s|%s|%s\n' "$(date +%s)" "$cpu" "$memory" "$disk" "$io" "$net" "$(gpus)"
}

measure
